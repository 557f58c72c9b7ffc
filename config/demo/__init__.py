"""The main job, end to end, on the sample knowledge base (`bin/demo`)."""
