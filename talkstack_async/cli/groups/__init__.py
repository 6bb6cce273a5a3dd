"""One file of verbs per noun of the API."""
