"""What is done with traces: masking, forgetting, replaying and comparing them."""
