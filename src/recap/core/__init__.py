"""What every stage may use: errors, files, progress, threads, downloads."""
