"""The study that the README shows, and the pictures of its pages."""
