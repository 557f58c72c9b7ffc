"""What claims of speed are measured with: ratios within one run, never absolute figures."""
