"""Measurements that back what Ballast promises about its speed."""
