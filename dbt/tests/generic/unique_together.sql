{# Finds what stands in several rows, by columns that together are a key. A null is equal to a null. #}
{% test unique_together(model, columns) %}

select {{ columns | join(', ') }}, count(*) as number_of_rows
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
