"""What an IVR flow is and how it steps. Pure: no telephone, no clock, no file but the library's own."""
