"""Everything that a DAG says, as data. Pure: nothing is read or written here."""
