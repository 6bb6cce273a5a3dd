"""The command line: verbs, output, exit codes. Nothing here is for import by others."""
