"""What tests are made of: real servers, running services, callers with valid tokens."""
