"""What both networks' folders use."""
