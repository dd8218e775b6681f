"""Images in object stores (s3://, gs://, az://, hf:// and what else fsspec opens): listed, and fetched into the run."""
