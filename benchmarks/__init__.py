"""`make bench`: the plugin measured against its speed budgets, into RESULTS.md beside this file."""
