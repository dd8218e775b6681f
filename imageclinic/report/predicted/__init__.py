"""What models predict, in the report: tables of confused classes, and test images one by one."""
