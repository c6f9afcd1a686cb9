"""From scores to alerts: hysteresis, severity, firing and resolved."""
