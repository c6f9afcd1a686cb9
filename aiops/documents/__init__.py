"""YAML that people write: kinds of fields, and how a file is read and what is wrong with it said."""
