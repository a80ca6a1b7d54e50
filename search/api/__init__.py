"""What the command line and `import ballast` share: each function does what one command does."""
