"""Signs in to Harvest and signs requests.

Offers the signer of a run's requests (a personal token, or a sign-in that renews itself), the browser sign-in, and the files
in which tokens are kept. May import the settings and errors; knows nothing of reports, tables or dlt's pipelines.
"""
