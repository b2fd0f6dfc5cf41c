"""The only room that speaks Asterisk: FastAGI, AudioSocket, AMI, CEL."""
