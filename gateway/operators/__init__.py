"""What operators do about alarms: commands carried out, states and history kept, figures counted."""
