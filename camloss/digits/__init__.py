"""The ten digits: data, drawings, and networks that read them."""
