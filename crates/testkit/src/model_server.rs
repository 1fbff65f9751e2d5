//! A fake model server that speaks the OpenAI Responses wire and validates every request.
