"""Ground floor: the tables and the way to reach them. No logic lives here."""
