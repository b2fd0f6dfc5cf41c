"""What the house is built from: which packages at which versions, under which licences, with which known faults."""
