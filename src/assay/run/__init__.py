"""Who adds the states up, over parts of a source, batches and ranks, and who remembers."""
