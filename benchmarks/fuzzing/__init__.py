"""What the fuzzer feeds, and how it judges what comes of it."""
