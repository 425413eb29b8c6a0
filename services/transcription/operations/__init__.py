"""What transcription does: transcribes, shows, and lets people put right what was heard."""
