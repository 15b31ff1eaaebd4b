"""How many users there are over time. All of them fit any length of run, so that a sample shows the form of a long one."""
