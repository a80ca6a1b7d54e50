"""The plots of a study, one file each: pure functions from what is known of it to a plotly figure."""
