"""The library: recordings and clips, what people see of them, and how far the pipeline has come."""
