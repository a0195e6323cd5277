//! Integration tests and their target programs.
