"""Players that do not run here, simulated by their published rules against the core, in virtual time."""
