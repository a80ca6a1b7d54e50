"""What people see of a study: pages, plots, reports, and the dashboard's server."""
