"""What can be known of a deployment without an account: checks over synthesized templates, and one table."""
