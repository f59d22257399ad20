"""What the functions need of AWS: boto3 lives here and nowhere else."""
