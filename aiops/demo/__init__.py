"""The generated fleet and the story that `aiops demo` tells."""
