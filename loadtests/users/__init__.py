"""Users of the HTTP API. Each sends presigned transactions, so that signing costs nothing during the run."""
