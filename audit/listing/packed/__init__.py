"""Images that are not files in folders (archives, tables, arrays) become files in the run folder, and a listing."""
