"""What every service shares: seven small libraries with no business rules. Lower ones never import higher ones."""
