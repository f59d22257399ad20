"""The containers that AWS's images would be, as processes of this machine."""
