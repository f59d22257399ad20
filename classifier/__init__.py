"""The model itself, shared by training and serving: network, preprocessing, labels, calibration, artifact."""
