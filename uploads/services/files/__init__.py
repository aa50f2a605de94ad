"""Tables in files: CSV, XLSX and JSON, read and written row by row."""
