"""The only public API: resolves the caller, limits the rate, checks CSRF, signs a service token, streams the request on."""
