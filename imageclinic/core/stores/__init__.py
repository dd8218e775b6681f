"""Object stores (s3://, gs://, az://, hf:// and what else fsspec opens): their addresses, and what lies there."""
