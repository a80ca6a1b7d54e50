"""Functions that the command line and `import ballast` share: each one does what one command does."""
