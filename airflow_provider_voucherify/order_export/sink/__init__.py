"""Parquet files and where they go."""
