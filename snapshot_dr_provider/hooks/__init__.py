"""The only modules that speak to AWS: domain values in, domain values out."""
