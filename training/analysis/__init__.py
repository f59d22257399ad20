"""The analysis job: what the prediction log and people's reviews say of a model that serves."""
