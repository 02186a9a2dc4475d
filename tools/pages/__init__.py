"""The parts of the site that are made: from specs, the record of claims, the registry of leaves and the package itself."""
