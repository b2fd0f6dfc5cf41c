"""A telephone for test calls: SIP and RTP over loopback, with its own clock."""
