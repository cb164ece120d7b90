{#- No two rows agree in all of these columns; nulls are alike. -#}
{% test one_row_each(model, columns) %}
select {% for c in columns %}{{ adapter.quote(c) }}, {% endfor %}count(*) as n
from {{ model }}
group by {% for c in columns %}{{ adapter.quote(c) }}{{ ', ' if not loop.last }}{% endfor %}
having count(*) > 1
{% endtest %}
