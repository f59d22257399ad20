"""What is deployed, as AWS CDK stacks."""
